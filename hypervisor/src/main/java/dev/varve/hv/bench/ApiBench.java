// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import com.fasterxml.jackson.databind.JsonNode;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * What administrators and management programs wait for: the command line, all records of many
 * disks, calls and logins for each second. The daemon runs in this process, as the launcher starts
 * one, with a home of its own.
 */
final class ApiBench implements Benchmark {
    private static final int CALLERS = 8;
    private static final int WARM_CALLS = 2000;
    private static final int WARM_RECORDS = 5;
    private static final int COMMAND_SECONDS = 60;
    private static final double LIST_SECONDS = 0.25;
    private static final double RECORDS_SECONDS = 1;

    private static final String VARVE = "varve";
    private static final String XML = "varve, XML-RPC";
    private static final String SOCKET = "plain socket";
    private static final String SCRIPT = "xe";
    private static final String CLIENT = "xe without its script";
    private static final String JVM = "a bare JVM";

    private static final String COMMANDS = "commands";
    private static final String RECORDS = "records";
    private static final String CALLS = "calls";
    private static final String EVENTS = "events";
    private static final int LISTENERS = 50;
    private static final int CHANGES_PER_SECOND = 20;

    /** A client of somebody. */
    private interface Connection extends AutoCloseable {
        void exchange() throws IOException;

        @Override
        void close() throws IOException;
    }

    /** Connects a client. */
    private interface Connector {
        Connection connect() throws IOException;
    }

    /** Rates and times of the same load, one for each round. */
    private static final class Rounds {
        final List<Double> rates = new ArrayList<>();
        final List<Double> p99Micros = new ArrayList<>();

        Measure[] measures(String name) {
            return new Measure[] {
                Measure.rate(name, new Spread(rates)),
                Measure.cost("p99", Unit.MICROSECONDS, new Spread(p99Micros))
            };
        }
    }

    private final Clock clock = Clock.system();
    private int seconds;
    private int repetitions;
    private int disks;
    private Path directory;
    private BenchDaemon daemon;
    private String session;
    private Report.Builder report;

    @Override
    public String title() {
        return "the command line and the API over the socket file";
    }

    @Override
    public Set<String> options() {
        return Set.of("--seconds", "--repetitions", "--disks", "--only");
    }

    @Override
    public List<String> programs() {
        return List.of();
    }

    @Override
    public String packages() {
        return "none";
    }

    @Override
    public void run(BenchOptions options, Report.Builder builder)
            throws IOException, InterruptedException {
        report = builder;
        seconds = options.count("--seconds", 2);
        repetitions = options.count("--repetitions", 5);
        disks = options.count("--disks", 20_000);
        List<String> parts = parts(options.text("--only", ""));
        report.parameter("seconds", seconds).parameter("repetitions", repetitions);
        describe();
        directory = Files.createTempDirectory(BenchMain.scratch(options), "varve-bench");
        daemon = new BenchDaemon(directory);
        try {
            session = daemon.login();
            String repository =
                    daemon.createRepository(
                            session, Files.createDirectory(directory.resolve("sr")));
            for (String part : parts) {
                switch (part) {
                    case COMMANDS -> commands();
                    case CALLS -> calls();
                    case EVENTS -> events();
                    default -> records(repository);
                }
            }
        } finally {
            daemon.close();
            PathUtils.deleteDirectory(directory);
        }
    }

    private static List<String> parts(String only) {
        List<String> all = List.of(COMMANDS, CALLS, EVENTS, RECORDS);
        if (!only.isEmpty() && !all.contains(only)) {
            throw new IllegalArgumentException("there is no part " + only + ", there are " + all);
        }
        return only.isEmpty() ? all : List.of(only);
    }

    private void describe() {
        report.subject(VARVE, "JSON-RPC on the daemon's socket file, over connections that stay");
        report.subject(XML, "the same as XML-RPC");
        report.subject(
                SOCKET,
                "as many bytes each way over a socket file, made beforehand and looked at by"
                        + " nobody: what the socket costs");
        report.subject(SCRIPT, "./xe sr-list, as a user types it");
        report.subject(CLIENT, "the client of xe, started by hand as the script does");
        report.subject(
                JVM, "a program that says hello, with the same JVM, flags, jar and class cache");
        report.caveat(
                "Client and daemon share the processors, and with calls also one process and its"
                        + " collector.");
        report.caveat(
                "The just-in-time compiler: calls are warmed up before, and a daemon that has just"
                        + " started is slower. The commands start cold on purpose.");
        report.caveat(
                "Files of the JVM that are not in the page cache: the first start of a day takes"
                        + " seconds. Here the first of each is not counted.");
        report.caveat(
                "Another load, a host that is shared with others, processors that change their"
                        + " frequency: read ratios.");
        report.caveat(
                "The disks are rows without images: what is measured is the API, not storage, which"
                        + " these calls do not ask.");
    }

    // ---- commands

    private void commands() throws IOException, InterruptedException {
        report.part(COMMANDS, "The time from typing a command to its end");
        Programs programs = new Programs(seconds, false);
        XeCommands commands = XeCommands.ofLauncher();
        Map<String, List<String>> lines = new LinkedHashMap<>();
        lines.put(SCRIPT, commands.script("sr-list"));
        lines.put(CLIENT, commands.client("sr-list"));
        lines.put(JVM, commands.bare());
        Map<String, String> home = Map.of("VARVE_HOME", directory.toString());
        Map<String, List<Double>> times = new LinkedHashMap<>();
        for (int i = 0; i <= 2 * repetitions; i++) {
            for (Map.Entry<String, List<String>> line : lines.entrySet()) {
                long begin = clock.nanoTime();
                programs.run(line.getValue(), home, COMMAND_SECONDS);
                double took = (clock.nanoTime() - begin) / 1e9;
                if (i > 0) {
                    times.computeIfAbsent(line.getKey(), _ -> new ArrayList<>()).add(took);
                }
            }
        }
        times.forEach(
                (subject, rounds) -> {
                    Measure time = Measure.cost("time", Unit.SECONDS, new Spread(rounds));
                    boolean typed = subject.equals(SCRIPT);
                    Row row =
                            Row.of(
                                    COMMANDS,
                                    "sr-list",
                                    subject,
                                    typed ? time.target(LIST_SECONDS) : time);
                    report.row(subject.equals(JVM) ? row : row.versus(JVM));
                });
    }

    // ---- records

    private void records(String repository) throws IOException {
        report.part(RECORDS, "All records of %,d disks in one call".formatted(disks));
        daemon.addDisks(repository, disks);
        byte[] json = ApiClient.request("VDI.get_all_records", session);
        byte[] xml = ApiClient.xmlRequest("VDI.get_all_records", session);
        Map<String, List<Double>> times = new LinkedHashMap<>();
        for (String subject : List.of(VARVE, XML, SOCKET)) {
            times.put(subject, new ArrayList<>());
        }
        try (ApiClient client = new ApiClient(daemon.socket())) {
            JsonNode records = client.call("VDI.get_all_records", session);
            if (records.size() != disks) {
                throw new IOException("the daemon tells of " + records.size() + " disks");
            }
            int bytes = 0;
            for (int i = 0; i < WARM_RECORDS; i++) {
                client.exchange(xml);
                bytes = client.exchange(json).length;
            }
            report.parameter("bytes of the records", bytes);
            Path path = directory.resolve("plain.sock");
            try (PlainSocket socket = new PlainSocket(path, json.length, bytes);
                    PlainSocket.Client peer = socket.new Client()) {
                peer.exchange();
                for (int i = 0; i < repetitions; i++) {
                    times.get(VARVE).add(secondsOf(() -> client.exchange(json)));
                    times.get(XML).add(secondsOf(() -> client.exchange(xml)));
                    times.get(SOCKET).add(secondsOf(peer::exchange));
                }
            }
        }
        times.forEach(
                (subject, rounds) -> {
                    Measure time = Measure.cost("time", Unit.SECONDS, new Spread(rounds));
                    boolean plain = subject.equals(SOCKET);
                    Row row =
                            Row.of(
                                    RECORDS,
                                    "VDI.get_all_records",
                                    subject,
                                    plain ? time : time.target(RECORDS_SECONDS));
                    report.row(plain ? row : row.versus(SOCKET));
                });
    }

    private interface Work {
        void run() throws IOException;
    }

    private double secondsOf(Work work) throws IOException {
        long begin = clock.nanoTime();
        work.run();
        return (clock.nanoTime() - begin) / 1e9;
    }

    // ---- calls

    private void calls() throws IOException {
        report.part(CALLS, "Calls, and logins with a logout each");
        byte[] request = ApiClient.request("pool.get_all", session);
        int answerBytes;
        try (ApiClient client = new ApiClient(daemon.socket())) {
            answerBytes = client.exchange(request).length;
        }
        Path path = directory.resolve("plain.sock");
        try (PlainSocket socket = new PlainSocket(path, request.length, answerBytes)) {
            Connector ours = () -> calling(request);
            Connector plain = () -> plain(socket);
            Connector inXml = () -> calling(ApiClient.xmlRequest("pool.get_all", session));
            Connector logins = this::loggingIn;
            warm(inXml);
            warm(ours);
            warm(plain);
            warm(logins);
            Map<Integer, Rounds> own = new LinkedHashMap<>();
            Map<Integer, Rounds> xml = new LinkedHashMap<>();
            Map<Integer, Rounds> other = new LinkedHashMap<>();
            Rounds login = new Rounds();
            for (int i = 0; i < repetitions; i++) {
                for (int callers : List.of(1, CALLERS)) {
                    load(ours, callers, own.computeIfAbsent(callers, _ -> new Rounds()));
                    load(inXml, callers, xml.computeIfAbsent(callers, _ -> new Rounds()));
                    load(plain, callers, other.computeIfAbsent(callers, _ -> new Rounds()));
                }
                load(logins, 1, login);
            }
            for (int callers : List.of(1, CALLERS)) {
                String workload = callsOf(callers);
                report.row(
                        Row.of(CALLS, workload, VARVE, own.get(callers).measures("calls"))
                                .load(callers, 0)
                                .versus(SOCKET));
                report.row(
                        Row.of(CALLS, workload, XML, xml.get(callers).measures("calls"))
                                .load(callers, 0)
                                .versus(SOCKET));
                report.row(
                        Row.of(CALLS, workload, SOCKET, other.get(callers).measures("calls"))
                                .load(callers, 0));
            }
            report.row(
                    Row.of(CALLS, "login and logout, 1 client", VARVE, login.measures("calls"))
                            .versus(VARVE, callsOf(1)));
        }
    }

    private static String callsOf(int callers) {
        return "pool.get_all, " + callers + (callers == 1 ? " client" : " clients");
    }

    private Connection calling(byte[] request) throws IOException {
        ApiClient client = new ApiClient(daemon.socket());
        return new Connection() {
            @Override
            public void exchange() throws IOException {
                client.exchange(request);
            }

            @Override
            public void close() throws IOException {
                client.close();
            }
        };
    }

    private Connection loggingIn() throws IOException {
        ApiClient client = new ApiClient(daemon.socket());
        return new Connection() {
            @Override
            public void exchange() throws IOException {
                String own = client.call("session.login_with_password", "root", "").asText();
                client.call("session.logout", own);
            }

            @Override
            public void close() throws IOException {
                client.close();
            }
        };
    }

    private static Connection plain(PlainSocket socket) throws IOException {
        PlainSocket.Client client = socket.new Client();
        return new Connection() {
            @Override
            public void exchange() throws IOException {
                client.exchange();
            }

            @Override
            public void close() throws IOException {
                client.close();
            }
        };
    }

    private static void warm(Connector connector) throws IOException {
        try (Connection connection = connector.connect()) {
            for (int i = 0; i < WARM_CALLS; i++) {
                connection.exchange();
            }
        }
    }

    private void load(Connector connector, int callers, Rounds rounds) {
        long begin = clock.nanoTime();
        long end = begin + TimeUnit.SECONDS.toNanos(seconds);
        List<CompletableFuture<Latencies>> parts = new ArrayList<>();
        try (ExecutorService threads = Threads.blockingPool("caller-")) {
            for (int i = 0; i < callers; i++) {
                parts.add(CompletableFuture.supplyAsync(() -> loop(connector, end), threads));
            }
        }
        Latencies all = Latencies.of(parts.stream().map(CompletableFuture::join).toList());
        rounds.rates.add(all.count() / ((clock.nanoTime() - begin) / 1e9));
        rounds.p99Micros.add(all.percentileMillis(99) * 1000);
    }

    private Latencies loop(Connector connector, long endNanos) {
        Latencies latencies = new Latencies();
        try (Connection connection = connector.connect()) {
            for (long begin = clock.nanoTime(); begin - endNanos < 0; ) {
                connection.exchange();
                long now = clock.nanoTime();
                latencies.add(now - begin);
                begin = now;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return latencies;
    }

    // ---- events

    private void events() throws IOException, InterruptedException {
        report.part(
                EVENTS, "The time from a change until %d listeners know it".formatted(LISTENERS));
        int changes = seconds * CHANGES_PER_SECOND;
        heard(changes);
        List<Latencies> own = new ArrayList<>();
        List<Latencies> plain = new ArrayList<>();
        for (int i = 0; i < repetitions; i++) {
            own.add(heard(changes));
            plain.add(heardPlainly(changes));
        }
        String workload = "a change of a name";
        report.row(Row.of(EVENTS, workload, VARVE, delays(own)).load(LISTENERS, 0).versus(SOCKET));
        report.row(Row.of(EVENTS, workload, SOCKET, delays(plain)).load(LISTENERS, 0));
    }

    private static Measure[] delays(List<Latencies> rounds) {
        return new Measure[] {delay("p50", 50, rounds), delay("p99", 99, rounds)};
    }

    private static Measure delay(String name, double percent, List<Latencies> rounds) {
        List<Double> millis = rounds.stream().map(each -> each.percentileMillis(percent)).toList();
        return Measure.cost(name, Unit.MILLISECONDS, new Spread(millis));
    }

    private Latencies heard(int changes) throws IOException, InterruptedException {
        daemon.renamePool(session, "before");
        List<ApiListener> listeners = new ArrayList<>();
        for (int i = 0; i < LISTENERS; i++) {
            listeners.add(new ApiListener(daemon.socket(), session));
        }
        return EventDelays.measure(
                listeners, changes, number -> daemon.renamePool(session, Integer.toString(number)));
    }

    private Latencies heardPlainly(int changes) throws IOException, InterruptedException {
        try (PlainListeners listeners =
                new PlainListeners(directory.resolve("events.sock"), LISTENERS)) {
            return EventDelays.measure(listeners.all(), changes, listeners::send);
        }
    }
}
