"""Scale-aware diagnosis of detectors: AP, TIDE errors and calibration for each object scale."""
