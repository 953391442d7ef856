"""X and y: how images and labels of any kind become a data set in the library.

An argument X passes through these files in this order:

- `source.read` turns what a notebook has at hand into numpy, Arrow or features. It uses `foreign`
  for arrays of other libraries, `channel_order` for channels first or last, and `encoded` for image
  files;
- `features.Layout` turns features (N, F) into images and scales numbers to pixels from 0 to 1;
- `images.as_images` checks the images. It uses `arrow` for Arrow arrays and tables. `Images.data`
  then makes the data set.

`labels`, `soft_labels` and `sample_weights` do the same for y and sample_weight. `stream` reads
data sets from disk, into memory or as a `Stream`. `columns` names the columns of tables.
"""

from .source import read

__all__ = ["read"]
