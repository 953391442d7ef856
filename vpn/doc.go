// Package vpn trains image classifiers with learned noise (Variational Positive-incentive Noise: H.
// Zhang, S. Huang, Y. Guo, X. Li, IEEE T-PAMI 2025, arXiv 2306.07651). A generator chooses the
// standard deviation of the noise for every pixel, and the classifier learns from the noisy images.
//
// A program opens a device, reads a data set and calls:
//
//   - New, with a Config such as DefaultConfig() or one that ParseConfig reads from JSON
//   - Model.Fit to train, Model.Cancel to stop it; Fit with FitOptions.Resume goes on
//   - Model.Predict for labels, probabilities or scores, without noise or with that of every class
//   - Model.Evaluate for accuracy and cross-entropy on labelled images
//   - Model.Noise for σ, noise drawn with it, or gradients of the pixels
//   - Model.Save, and Load to read the file again; ExportSafetensors and ImportSafetensors for
//     weights alone, under PyTorch's names
//   - Model.Close to free the device's memory
//
// Package device opens devices, package data reads data sets, package augment has augmentations.
// The method itself is in package method: its documentation maps the paper's symbols to names, and
// lists what differs from the paper and from the authors' public code.
//
// A model has class names if its Config or its first training set has them. From then on a data set
// with class names meets the model by name, whatever the numbers of its classes. A class that the
// model does not have is an error if an image is of it. If either has no names, classes meet by
// number.
//
// An epoch trains on every image, in an order drawn anew. Its last batch may be smaller than the
// others; Config.DropLast leaves it out. Evaluation and prediction see every image.
//
// The same seed gives the same result on the same device. Initial weights follow from the seed and
// their names, the order of the images from the seed and the epoch, noise and augmentation from the
// seed and the step. So a saved model resumes as if it had never stopped; on device go, bit for
// bit.
package vpn
