package vpn

import (
	"errors"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// epochPlan says into which batches every epoch of a Fit cuts the images.
type epochPlan struct {
	size  int // images of a whole batch
	whole int // how many whole batches there are
	last  int // images of the partial batch that follows; 0: none
}

// planEpoch plans the epochs of a training set of so many images. Each batch must divide among the
// workers of a Share, the parts of Config.Accumulate and the devices. The last batch is cut to what
// divides.
func (m *Model) planEpoch(images int) (p epochPlan, err error) {
	cfg := m.Config()
	parts, _ := m.share.parts(cfg.Accumulate)
	n := parts * m.spread.Count()
	p.size = min(cfg.BatchSize, images)
	if images < cfg.BatchSize && images >= n && !cfg.DropLast {
		p.size -= images % n
	}
	if _, err := m.partSize(p.size); err != nil {
		return p, err
	}
	p.whole = images / p.size
	if cfg.DropLast {
		return p, nil
	}
	p.last = images % p.size / n * n
	if p.last == parts {
		alone, err := m.oneValue()
		if err != nil {
			return p, err
		}
		if alone {
			p.last = 0
		}
	}
	return p, nil
}

// batches returns how many batches an epoch has.
func (p epochPlan) batches() int { return p.whole + min(p.last, 1) }

// images returns the number of images of a batch, counted from 0.
func (p epochPlan) images(batch int) int {
	if batch < p.whole {
		return p.size
	}
	return p.last
}

// serve returns what a model serves of an epoch from a batch on: its share of each batch, in
// Config.Accumulate parts. order is that of all images.
func (p epochPlan) serve(order []int32, batch int, m *Model) serving {
	parts, _ := m.share.parts(m.net.Config.Accumulate)
	end := p.size * p.whole
	s := serving{
		order: m.share.of(order[min(batch, p.whole)*p.size:end], p.size),
		size:  p.size / parts,
	}
	if p.last > 0 && batch < p.batches() {
		own := m.share.of(order[end:end+p.last], p.last)
		s.order, s.last, s.lastSize = append(s.order, own...), len(own), p.last/parts
	}
	return s
}

// partSize returns how many images each part of a batch of so many images has.
func (m *Model) partSize(images int) (int, error) {
	parts, want := m.share.parts(m.net.Config.Accumulate)
	if images%parts != 0 {
		return 0, argumentError("a batch of %d images has no %d parts of one size: "+
			"want a number of images that is a multiple of %s", images, parts, want)
	}
	part, n := images/parts, m.spread.Count()
	if err := m.checkSize(part, m.net.Config.NoiseSamples, programTable[stepProgram].remedy); err != nil {
		return 0, err
	}
	if part%n != 0 {
		return 0, argumentError("%d images at a time do not divide among %d devices: "+
			"want batches (of each of Accumulate's parts) of a multiple", part, n)
	}
	return part, nil
}

// oneValue says whether a batch norm would see one value per channel in a training step on one
// image. It builds the graph of the step's loss without compiling it, so that the networks
// themselves decide.
func (m *Model) oneValue() (bool, error) {
	caught := exceptions.TryCatch[error](func() {
		g := NewGraph(m.backend, "one image")
		defer g.Finalize()
		m.net.Loss(m.store.RootScope(),
			Parameter(g, "images", m.imagesShape(1)),
			Parameter(g, "labels", shapes.Make(method.LabelDType, 1)),
			Parameter(g, "state", shapes.Make(dtypes.Uint64, 3)))
	})
	switch {
	case caught == nil:
		return false, nil
	case errors.As(caught, new(models.OneValueError)):
		return true, nil
	}
	return false, engine.Error(caught, ErrInternal)
}
