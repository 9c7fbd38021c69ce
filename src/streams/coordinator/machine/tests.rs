//! The whole machine against providers that are played by hand.

mod failover;
mod gaps;
mod heads;
mod logs;
mod rig;
