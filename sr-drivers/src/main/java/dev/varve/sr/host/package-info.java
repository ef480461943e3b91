// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The host that the daemon runs on: its programs, block devices and mounts. */
package dev.varve.sr.host;
