package data

import "github.com/apache/arrow-go/v18/arrow"

// ArrowOptions tell how to read Arrow arrays; all are optional. It is the JSON of govpn_data_import.
type ArrowOptions struct {
	Shape       []int    `json:"shape"`        // of an image: (H, W, C) or (H, W); needed where the arrays do not tell it
	ImageColumn string   `json:"image_column"` // default: "image", "images" or "pixels"
	LabelColumn string   `json:"label_column"` // default: "label", "labels" or "y", where present
	ClassNames  []string `json:"class_names"`
}

// FromArrow makes a data set of the arrays, one after another, which all have the type and metadata of field. They must stay valid
// until release, which is called exactly once: when the data set is closed, or at once when nothing of them is needed any more; never on error.
func FromArrow(field arrow.Field, arrays []arrow.Array, o ArrowOptions, release func()) (*Dataset, error) {
	return nil, Errorf(ErrUnsupported, "data: FromArrow is not written yet")
}

// FromRecords is FromArrow for record batches, for example of a stream.
func FromRecords(schema *arrow.Schema, batches []arrow.RecordBatch, o ArrowOptions, release func()) (*Dataset, error) {
	return nil, Errorf(ErrUnsupported, "data: FromRecords is not written yet")
}
