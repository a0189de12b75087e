"""Keeping what a watch sees: samples and events, from snapshot to snapshot."""

from fleetctl.recording.recorder import Recorder as Recorder
