"""The stages of a run, from images to a timed TFLite file, through files in one folder."""
