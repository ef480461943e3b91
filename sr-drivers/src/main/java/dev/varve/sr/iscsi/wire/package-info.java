// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Whole protocol data units on a socket, for code that may wait: login, discovery, and sessions for
 * control. The data path has its own way.
 */
package dev.varve.sr.iscsi.wire;
