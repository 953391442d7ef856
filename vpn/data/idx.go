package data

// ReadIDX reads images and labels in the IDX format of the MNIST family, gzip-compressed or not. With labels == "" the set is unlabelled.
func ReadIDX(images, labels string) (*Dataset, error) {
	return nil, Errorf(ErrUnsupported, "data: ReadIDX is not written yet")
}
