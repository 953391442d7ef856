package imaging

import (
	"compress/gzip"
	"encoding/json"
	"image"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is a case of testdata/golden.json: what Pillow and torchvision return for a file.
// golden.py writes it.
type golden struct {
	File      string
	Transform Transform
	Box       []int // top, left, height, width of a crop that is then resized, as in torchvision's resized_crop
	H, W, C   int
	Step      int // one of so many values is stored
	At, Count int
	want      []uint8
}

func readGolden(t testing.TB) (cases []golden) {
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var all struct{ Cases []golden }
	require.NoError(t, json.Unmarshal(text, &all))
	file, err := os.Open("testdata/expected.gz")
	require.NoError(t, err)
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	require.NoError(t, err)
	values, err := io.ReadAll(unzip)
	require.NoError(t, err)
	for i := range all.Cases {
		c := &all.Cases[i]
		c.want = values[c.At : c.At+c.Count]
	}
	return all.Cases
}

func fixture(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", "files", name))
	require.NoError(t, err)
	return data
}

// decode calls Decode, or crops and resizes as the case says.
func (g *golden) decode(t *testing.T, d *Decoder) []uint8 {
	data, out := fixture(t, g.File), make([]uint8, g.H*g.W*g.C)
	for i := range out {
		out[i] = 99 // every value must be overwritten
	}
	if g.Box == nil {
		require.NoError(t, d.Decode(out, g.H, g.W, g.C, data, &g.Transform, nil))
		return out
	}
	head, err := readHeader(data)
	require.NoError(t, err)
	p := plan{
		box: image.Rect(g.Box[1], g.Box[0], g.Box[1]+g.Box[3], g.Box[0]+g.Box[2]),
		rh:  g.H,
		rw:  g.W,
		h:   g.H,
		w:   g.W,
	}
	pic, err := d.open(head, data, d.region(&p))
	require.NoError(t, err)
	d.render(out, g.C, pic, &p)
	return out
}

// difference returns the mean and the largest absolute difference.
func difference(got, want []uint8, step int) (mean float64, largest int) {
	for i, w := range want {
		d := int(got[i*step]) - int(w)
		d = max(d, -d)
		mean += float64(d) / float64(len(want))
		largest = max(largest, d)
	}
	return mean, largest
}

// Every pixel equals Pillow's and torchvision's.
func TestGolden(t *testing.T) {
	var d Decoder // one for all cases: an image must not affect the next
	for _, g := range readGolden(t) {
		transform, err := json.Marshal(g.Transform)
		require.NoError(t, err)
		mean, largest := difference(g.decode(t, &d), g.want, g.Step)
		t.Logf("%-18s %d×%d×%d %s box %v: mean %.4f, largest %d", g.File, g.H, g.W, g.C, transform, g.Box, mean,
			largest)
		assert.Zero(t, mean, "%s to %d×%d×%d by %s, box %v", g.File, g.H, g.W, g.C, transform, g.Box)
	}
}
