// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The thin client of the command line. It needs nothing but the JDK's base module and starts fast:
 * few classes, no lambdas, no regular expressions.
 */
package dev.varve.hv.xe;
