// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Disks that go out and come in over HTTP. */
package dev.varve.hv.transfer;
