package models

// The scope of the last linear layer, by family of base models.
var heads = map[string]string{"sr": "linear", "dnn": "fc3", "resnet": "fc", "vit": "head"}

// Head returns the scope of a base model's classification head: its last linear layer, the only one
// that depends on the number of classes.
func Head(base string) string {
	return heads[family(base)]
}
