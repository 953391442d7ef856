package models

// The scope of the last linear layer, by family of base models.
var heads = map[string]string{"sr": "linear", "dnn": "fc3", "resnet": "fc", "vit": "head"}

// Head returns the scope of a base model's classification head: its last linear layer, the only one
// that depends on the number of classes.
func Head(base string) string {
	return heads[family(base)]
}

// The scope of the linear layer that reads the flattened images, by family of base models.
var flatInputs = map[string]string{"sr": "linear", "dnn": "fc1"}

// FlatInput returns the scope of a base model's linear layer whose inputs are the values of an
// image, or "" if it has none. The order of these inputs, (H, W, C), is that of the images.
func FlatInput(base string) string {
	return flatInputs[family(base)]
}
