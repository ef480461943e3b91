// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * How a lane reaches files and sockets: operations that are handed to a backend and complete later
 * on the same thread.
 */
package dev.varve.vdi.io;
