package vpn

import (
	"math"

	"github.com/govpn/govpn/internal/hostmemory"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// results returns an empty slice with room for values of these dimensions. If memory is short, the
// error says what to lower.
func results(lower string, dims ...int) ([]float32, error) {
	size := 1.
	for _, d := range dims {
		size *= float64(d)
	}
	if have := hostmemory.Available(); 4*size > float64(have) {
		return nil, engine.MemoryError(4*size, have, "lower "+lower, "a result of shape %v", dims)
	}
	return make([]float32, 0, int(size)), nil
}

// argmaxRows is the position of the largest of each k scores, the first of equal ones.
func argmaxRows(scores []float32, k int) []int32 {
	labels := make([]int32, len(scores)/k)
	for i := range labels {
		row := scores[i*k : (i+1)*k]
		for j, s := range row {
			if s > row[labels[i]] {
				labels[i] = int32(j)
			}
		}
	}
	return labels
}

// softmaxRows replaces rows of k logits by their softmax.
func softmaxRows(rows []float32, k int) {
	for ; len(rows) > 0; rows = rows[k:] {
		lse := logSumExp(rows[:k])
		for j := range k {
			rows[j] = float32(math.Exp(float64(rows[j]) - lse))
		}
	}
}

// normalizeRows divides rows of k scores by their sums. A row of zeros becomes uniform.
func normalizeRows(rows []float32, k int) {
	for ; len(rows) > 0; rows = rows[k:] {
		var sum float64
		for _, s := range rows[:k] {
			sum += float64(s)
		}
		for j := range k {
			if sum > 0 {
				rows[j] = float32(float64(rows[j]) / sum)
			} else {
				rows[j] = 1 / float32(k)
			}
		}
	}
}

// logSumExp is log Σ exp(v) over a row.
func logSumExp(row []float32) float64 {
	top := math.Inf(-1)
	for _, v := range row {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// scoreLogits returns the mean cross-entropy (nats) and the accuracy of logits (N, K).
func scoreLogits(logits []float32, labels []int32, k int) (loss, accuracy float64) {
	predicted := argmaxRows(logits, k)
	for i, y := range labels {
		row := logits[i*k : (i+1)*k]
		loss += logSumExp(row) - float64(row[y])
		if predicted[i] == y {
			accuracy++
		}
	}
	n := float64(len(labels))
	return loss / n, accuracy / n
}
