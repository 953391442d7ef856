package vpn

// SetLearningRate changes Config.LearningRate from the next training step on. A schedule still
// multiplies it. It may be called at any time, also by FitOptions.Progress and while another
// goroutine trains.
func (m *Model) SetLearningRate(rate float64) error {
	m.state.Lock()
	defer m.state.Unlock()
	cfg := m.net.Config
	cfg.LearningRate = rate
	if err := cfg.Validate(); err != nil {
		return err
	}
	m.net.Config.LearningRate = rate
	return nil
}
