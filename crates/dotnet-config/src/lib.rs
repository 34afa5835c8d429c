//! ASP.NET Core's configuration chain: JSON files, environment, command line, case-insensitive keys, every mistake reported at once.
