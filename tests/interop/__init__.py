"""KServe on the other side: its SDK as transformer, or as predictor."""
