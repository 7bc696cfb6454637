"""What fine-tuning adds on human ratings: trainings out of fold, of several seeds."""
