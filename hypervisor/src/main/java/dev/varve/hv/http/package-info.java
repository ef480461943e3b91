// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The way in for clients: HTTP with takeover of the raw connection, over a socket file or the
 * network.
 */
package dev.varve.hv.http;
