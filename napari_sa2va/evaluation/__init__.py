"""How good a model is on a data set: measures, readers, and a run that can be resumed."""
