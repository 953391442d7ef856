package data

// FashionMNIST reads the "train" or "test" split of Fashion-MNIST from a folder that holds its four IDX files.
func FashionMNIST(dir, split string) (*Dataset, error) {
	return nil, Errorf(ErrUnsupported, "data: FashionMNIST is not written yet")
}
