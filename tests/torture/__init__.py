"""Faults on purpose: each promise of "nothing lost, nobody let in, no traceback shown" is a test that injects the fault.

`make test` runs a short form of these tests, `make torture` all of them, `make torture-long` five times as many.
"""
