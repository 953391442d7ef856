// Package imaging turns encoded images into pixels as Pillow and torchvision do: decoding, EXIF orientation, resize and crop.
package imaging

// Transform is what happens to an image between its file and a batch, in this order. Sizes are [s] or [height, width].
type Transform struct {
	Resize            []int              `json:"resize"`              // [s]: the shorter side becomes s; antialiased bilinear
	CenterCrop        []int              `json:"center_crop"`         // [s] is [s, s]
	RandomResizedCrop *RandomResizedCrop `json:"random_resized_crop"` // nil: none
	Channels          int                `json:"channels"`            // 3 (RGB) or 1 (grey); 0: 3 for encoded images, else as they are
}

// RandomResizedCrop is torchvision's: a random part of the image, resized.
type RandomResizedCrop struct {
	Size  []int      `json:"size"`
	Scale [2]float64 `json:"scale"` // of the part's area; zeros: 0.08 to 1
	Ratio [2]float64 `json:"ratio"` // width/height; zeros: 3/4 to 4/3
}
