# SPDX-License-Identifier: Apache-2.0
"""Streams and events. The device runs calls in the order recorded, so every stream is the same
queue: waiting between streams is always satisfied, waiting on the host waits for the device."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch

from trireme.device_index import Device, device_index

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_stream",
    "default_stream",
    "set_stream",
    "stream",
]


def _device() -> torch.device:
    return torch.device(torch._C._get_privateuse1_backend_name(), 0)


class Stream(torch.Stream):
    """A stream of the device."""

    def __new__(cls, device: Device = None, priority: int = 0, **kwargs: Any) -> Stream:
        if "stream_id" in kwargs:
            return super().__new__(cls, priority=priority, **kwargs)
        device_index(device)
        return super().__new__(cls, _device(), priority=priority)

    @property
    def trireme_stream(self) -> int:
        """A number that tells streams apart."""
        return self.stream_id

    # What programs written for CUDA pass to extensions.
    cuda_stream = trireme_stream

    def record_event(self, event: torch.Event | None = None) -> torch.Event:
        """Marks the work recorded so far."""
        if event is None:
            event = Event()
        event.record(self)
        return event

    def __repr__(self) -> str:
        return f"<torch.trireme.Stream device={self.device} stream={self.stream_id:#x}>"


class Event(torch.Event):
    """A mark in the device's stream of calls."""

    _timer: torch.Event | None

    def __new__(
        cls,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> Event:
        event = super().__new__(
            cls,
            _device(),
            enable_timing=enable_timing,
            blocking=blocking,
            interprocess=interprocess,
        )
        # torch measures between two of its own events only, not between those of a subclass
        event._timer = torch.Event(_device(), enable_timing=True) if enable_timing else None
        return event

    def record(self, stream: torch.Stream | None = None) -> None:
        """Marks the work recorded so far."""
        stream = current_stream() if stream is None else stream
        if self._timer is not None:
            self._timer.record(stream)
        super().record(stream)  # last: who waits for the event waits for the timer

    def elapsed_time(self, other: torch.Event) -> float:
        """Milliseconds from this mark to another; both must have been reached."""
        end = other._timer if isinstance(other, Event) else other
        if self._timer is None or end is None:
            raise RuntimeError("an event measures time only if made with enable_timing=True")
        return self._timer.elapsed_time(end)

    def wait(self, stream: torch.Stream | None = None) -> None:
        """Makes later work of a stream come after the mark: it does anyway."""
        super().wait(current_stream() if stream is None else stream)

    def __repr__(self) -> str:
        return f"<torch.trireme.Event {self.event_id:#x}>"


def _wrap(stream: torch.Stream) -> Stream:
    return Stream(
        stream_id=stream.stream_id,
        device_index=stream.device_index,
        device_type=stream.device_type,
    )


def current_stream(device: Device = None) -> Stream:
    """The stream that calls are recorded in."""
    return _wrap(torch._C._accelerator_getStream(device_index(device)))


def default_stream(device: Device = None) -> Stream:
    """The stream in force at the start of the program."""
    device_index(device)
    return Stream(
        stream_id=0,
        device_index=0,
        device_type=torch._C._autograd.DeviceType.PrivateUse1.value,
    )


def set_stream(stream: torch.Stream | None) -> None:
    """Makes a stream the current one; None changes nothing."""
    if stream is not None:
        torch._C._accelerator_setStream(stream)


class StreamContext:
    """Makes a stream the current one inside a ``with`` block; None changes nothing."""

    def __init__(self, stream: torch.Stream | None) -> None:
        self.stream = stream
        self._previous: torch.Stream | None = None

    def __enter__(self) -> None:
        if self.stream is not None:
            self._previous = current_stream()
            set_stream(self.stream)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        set_stream(self._previous)


def stream(stream: torch.Stream | None) -> StreamContext:
    """See StreamContext."""
    return StreamContext(stream)
