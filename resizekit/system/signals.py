"""Recognize exceptions that come from a signal handler and not from the code that the signal interrupted."""

import signal

__all__ = ["raised_by_signal_handler"]


def raised_by_signal_handler(error: BaseException) -> bool:
    """Return whether an installed signal handler raised the exception, such as `sys.exit` in a handler of SIGTERM."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {getattr(getattr(handler, "__func__", handler), "__code__", None) for handler in handlers}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False
