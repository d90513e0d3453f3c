"""What several systems are built of: backbones, detection modules, learning-rate schedules, pre-training."""
