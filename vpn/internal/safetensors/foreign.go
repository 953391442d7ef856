package safetensors

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// conversion names the format of a file of weights that is not safetensors, and gives two lines of
// Python that convert it. It returns "" for a format that it does not know.
//
// The lines heed three facts: DataParallel puts "module." before all names, save_file refuses
// shared tensors, and it writes numpy's Fortran order as if it were C's.
func conversion(name string, content io.ReaderAt, size int64) string {
	target := strconv.Quote(strings.TrimSuffix(name, filepath.Ext(name)) + ".safetensors")
	source := strconv.Quote(name) // also a literal of Python
	switch {
	case isTorch(content, size):
		return fmt.Sprintf("%s is a PyTorch file, want safetensors; these two lines of Python convert it:\n"+
			"import torch; from safetensors.torch import save_file; w = torch.load(%s, \"cpu\", weights_only=True)\n"+
			"save_file({k.removeprefix(\"module.\"): v.clone(memory_format=torch.contiguous_format) "+
			"for k, v in w.get(\"state_dict\", w.get(\"model\", w)).items()}, %s)", name, source, target)
	case isPickle(content):
		return fmt.Sprintf("%s is a pickle of Python, want safetensors: what joblib.dump or pickle.dump wrote, "+
			"joblib.load or pickle.load reads", name)
	case zipHas(content, size, func(member string) bool { return path.Ext(member) == ".npy" }):
		return fmt.Sprintf("%s is an npz file of numpy, want safetensors; these two lines of Python convert it:\n"+
			"import numpy; from safetensors.numpy import save_file\n"+
			"save_file({k: v.copy(order=\"C\") for k, v in numpy.load(%s).items()}, %s)", name, source, target)
	}
	return ""
}

// isTorch says whether torch.save wrote the file. It is a zip with a data.pkl or, before PyTorch
// 1.6, pickles of which the first is the number 0x1950a86a20f9469cfc6c.
func isTorch(content io.ReaderAt, size int64) bool {
	const legacy = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
	b := make([]byte, len(legacy))
	if n, _ := content.ReadAt(b, 0); n == len(b) && string(b) == legacy {
		return true
	}
	return zipHas(content, size, func(member string) bool { return path.Base(member) == "data.pkl" })
}

// isPickle says whether the file is a pickle. Byte 8 of one is never the "{" that a safetensors file
// has there.
func isPickle(content io.ReaderAt) bool {
	var b [9]byte
	n, _ := content.ReadAt(b[:], 0)
	return n == len(b) && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5 && b[8] != '{'
}

// zipHas says whether content is a zip file with a member whose name matches.
func zipHas(content io.ReaderAt, size int64, matches func(member string) bool) bool {
	archive, err := zip.NewReader(content, size)
	if err != nil {
		return false
	}
	for _, file := range archive.File {
		if matches(file.Name) {
			return true
		}
	}
	return false
}
