// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** What a storage repository driver is, and what it is given and gives back. */
package dev.varve.sr.spi;
