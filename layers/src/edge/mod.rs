//! Where HTTP and messages of sockets become calls, and attempts become HTTP.

#[cfg(feature = "http")]
pub mod egress;
#[cfg(feature = "http")]
pub mod ingress;
#[cfg(feature = "profile")]
pub mod profile;
#[cfg(feature = "socket")]
pub mod socket;

#[cfg(feature = "http")]
mod items;
#[cfg(any(feature = "http", feature = "profile"))]
mod query;
