"""Every optimizer with settings that search the toy space in no time, some in several forms.

The form stands behind a comma.
"""

from nadv2_tf.search import (
  Differentiable,
  Evolution,
  Flash,
  FpNas,
  Hurricane,
  IntegerProgram,
  LayerNAS,
  MultiLayerCoordinateDescent,
  NetAdaptV1,
  RandomSearch,
  SingleLayerCoordinateDescent,
  UniformScaling,
)

QUICK = {
  "differentiable": Differentiable(12, 2, 3, 20, predictor_samples=20),
  "evolution": Evolution(8, 3, 4, 0.2, 2, 5),
  "flash": Flash(flash_samples=6, width_levels=1),
  "fp_nas": FpNas(6, 0.5, step_size=1.0),
  "hurricane": Hurricane(8, 3, 4, 0.2, 2, 3),
  "layernas": LayerNAS(6, 2, 3),
  "integer_program": IntegerProgram(
    "regressed", gain_samples=6, width_levels=2, program_rounds=1, program_solutions=1
  ),
  "integer_program, measured": IntegerProgram(
    width_levels=1, program_rounds=1, program_solutions=2
  ),
  "mcd": MultiLayerCoordinateDescent(6, 3, 0.1, choose_by="accuracy"),
  "netadaptv1": NetAdaptV1(0.1, 0.98),
  "random": RandomSearch(40),
  "scd": SingleLayerCoordinateDescent(0.1, 0.98, choose_by="accuracy"),
  "uniform": UniformScaling(),
}
