package models

// The scope of the last linear layer, by family of base models.
var heads = map[string]string{"sr": "linear", "dnn": "fc3", "resnet": "fc", "vit": "head"}

// Head is the scope of a base model's classification head, its last linear layer, which alone depends on the classes.
func Head(base string) string {
	return heads[family(base)]
}
