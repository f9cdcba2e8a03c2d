"""Faults on purpose: "nothing lost, nobody let in, no traceback shown", each promise a test that injects the fault.

`make test` runs a short form of these tests, `make torture` all of them, `make torture-long` five times as many.
"""
