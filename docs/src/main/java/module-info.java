// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Pages about the system, and the tests that hold its architecture. */
module dev.varve.docs {}
