// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Which route takes a request: the one with the longest path that the request's path starts with,
 * among those of its method. Clients rely on {@code /cli/} being the same as {@code /cli}.
 */
public final class Router {
    private final List<Route> routes;

    /** A router over the given routes. */
    public Router(List<Route> routes) {
        List<Route> sorted = new ArrayList<>(routes);
        sorted.sort(Comparator.comparingInt((Route route) -> route.path().length()).reversed());
        this.routes = List.copyOf(sorted);
    }

    /** The route of a request, if there is one. */
    public Optional<Route> find(String method, String uri) {
        int query = uri.indexOf('?');
        String path = query < 0 ? uri : uri.substring(0, query);
        for (Route route : routes) {
            if (route.method().equals(method) && path.startsWith(route.path())) {
                return Optional.of(route);
            }
        }
        return Optional.empty();
    }
}
