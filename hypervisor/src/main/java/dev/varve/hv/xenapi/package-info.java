// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The API at work: objects, sessions, tasks, and the way of a call to what carries it out. */
package dev.varve.hv.xenapi;
