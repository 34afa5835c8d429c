//! Bearer tokens: OpenID discovery, JWKS with rotation, validation as ASP.NET Core's JwtBearer does it.
