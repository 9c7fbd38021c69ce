//! JSON-RPC envelopes as spans in bytes.
