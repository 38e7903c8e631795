"""Losses on torch tensors.

Plain CPU tensors go through the fused kernel; compiled, transformed or non-CPU tensors through the
rules on torch operations. Which path was taken changes no result beyond rounding.
"""
