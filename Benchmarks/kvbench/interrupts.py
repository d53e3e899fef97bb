"""Ends the program on Ctrl-C, SIGTERM and SIGHUP as an exception does, so that every `with` ends what it started."""

import contextlib
import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """One of SIGNALS came. Not an Exception, so that nothing takes it for a measurement that failed."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class _State:
    held = 0
    # The first signal that came, and whether it has been raised.
    first = None
    raised = False


def _received(number, _frame):
    """Only the first counts: a second one must not end what ends the processes, which takes a bounded time."""
    if _State.first is None:
        _State.first = number
        _raise()


def _raise():
    if _State.first is not None and not _State.held and not _State.raised:
        _State.raised = True
        raise Interrupted(_State.first)


def install():
    """Called once, by the main thread. What was ignored at the start, as under nohup, stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _received)


@contextlib.contextmanager
def held():
    """Puts the signals off to the end of the block: no process is started and not noted, or left while it is ended.

    Python delivers signals to the main thread only, so elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
        _raise()
