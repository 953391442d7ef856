package data

// source reads the images of a data set on disk: files, entries of an archive, or rows of a table.
// Its methods may be called from many goroutines at the same time.
type source interface {
	// read returns the bytes of image i. They lie in buffer if it is large enough, otherwise in new
	// memory. A source that holds all images in memory may return that memory instead; nobody
	// writes to it.
	read(i int, buffer []byte) ([]byte, error)
	name(i int) string // how error messages call image i: "train/cat/7.jpg", "x.parquet: row 7"
	close() error
}

// found is what a reader returns: where the images are, and their labels.
type found struct {
	source source
	count  int      // of images
	labels []int32  // one per image; nil if unlabelled
	names  []string // of the classes; nil if not known
	shape  [3]int   // H, W, C if an image's bytes are uint8 pixels; zeros if they are an encoded file
	// skipped and warnings begin those of [Info].
	skipped, warnings []string
	ready             *Dataset // set if the images are in memory already; the other fields are then empty
}

// close releases what a reader returned.
func (f *found) close() {
	if f.ready != nil {
		f.ready.Close()
	} else {
		_ = f.source.close()
	}
}
