import losskit.engines
