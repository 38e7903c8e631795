"""Losses on JAX arrays: the rules on jax.numpy, with their own derivatives.

Every verb can be traced, so jit, grad, vmap, jvp and hessian work on it. First and second derivatives
are the rules' slopes and curvatures, never a derivative of the value rule; third ones are JAX's own
derivative of the curvature.
"""
