"""The truth the tests compare against: textbook losses in mpmath, and nothing of the library.

`textbook` and `rows` hold the definitions, `derivatives` differentiates them mechanically at a
precision raised until two results agree, `ulp` measures an answer against the truth, and `grids`
says at which inputs. `curves` has a definition at millions of float32 numbers.
"""
