"""The SDKs' door: snapshots out, events in; answers from memory."""
