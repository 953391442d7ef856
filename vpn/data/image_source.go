package data

// source holds the images of a data set on disk: files, entries of an archive, rows of a table. Its methods may be called
// from many goroutines at once.
type source interface {
	// read returns the bytes of image i: in buffer where they fit its capacity, in memory made for this call, or, if it does so
	// for every image, in memory that is the source's own and is never written.
	read(i int, buffer []byte) ([]byte, error)
	name(i int) string // of image i, for messages: "train/cat/7.jpg", "x.parquet: row 7"
	close() error
}

// found is what a reader finds on disk.
type found struct {
	source source
	count  int      // images
	labels []int32  // one per image; nil: unlabelled
	names  []string // of the classes; nil: unknown
	shape  [3]int   // H, W, C where an image's bytes are its pixels, uint8; zeros where they are an encoded file
	ready  *Dataset // where the images are in memory already; then the rest is empty
}
