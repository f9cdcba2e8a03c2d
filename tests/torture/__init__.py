"""Faults on purpose: "nothing lost, nobody let in, no traceback shown", each promise a test that injects the fault.

Which test belongs to which promise stands in test_promises.py.
`make test` runs a short form of these tests, `make torture` all of them, `make torture-long` five times as many.
"""
