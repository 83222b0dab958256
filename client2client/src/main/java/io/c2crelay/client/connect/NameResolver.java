package io.c2crelay.client.connect;

import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.Security;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Looks names up as the system does (hosts file, DNS), off the event loops, in bounded time and
 * number: a name server that hangs must not hang the agent. Those who ask for a name that is being
 * looked up share the answer.
 */
public final class NameResolver {
  private static final int THREADS = 2;
  private static final int WAITING = 64;
  private static final int IDLE_THREAD_SECONDS = 30;
  private static final int LIMIT_SECONDS = 5;

  private final ThreadPoolExecutor executor;
  private final Map<String, CompletableFuture<List<InetAddress>>> underWay =
      new ConcurrentHashMap<>();

  private NameResolver(ThreadPoolExecutor executor) {
    this.executor = executor;
  }

  /**
   * A resolver with threads of its own. Switches off the JDK's cache of names: a relay's address
   * may change any time.
   */
  public static NameResolver create() {
    Security.setProperty("networkaddress.cache.ttl", "0");
    Security.setProperty("networkaddress.cache.negative.ttl", "0");
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            IDLE_THREAD_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(WAITING),
            new DefaultThreadFactory("resolve", true));
    executor.allowCoreThreadTimeOut(true);
    return new NameResolver(executor);
  }

  /**
   * All addresses of a name or literal address, in the system's order.
   *
   * @return completes on {@code loop} within 5 s, with at least one address or an {@link
   *     UnknownHostException}
   */
  public Future<List<InetAddress>> resolve(String host, EventExecutor loop) {
    Promise<List<InetAddress>> result = loop.newPromise();
    Future<?> limit =
        loop.schedule(
            () -> result.tryFailure(new UnknownHostException("no answer in 5 s")),
            LIMIT_SECONDS,
            TimeUnit.SECONDS);
    result.addListener(done -> limit.cancel(false));
    lookUp(host)
        .whenComplete(
            (addresses, fault) -> {
              if (addresses != null) {
                result.trySuccess(addresses);
              } else {
                result.tryFailure(fault);
              }
            });
    return result;
  }

  private CompletableFuture<List<InetAddress>> lookUp(String host) {
    CompletableFuture<List<InetAddress>> fresh = new CompletableFuture<>();
    CompletableFuture<List<InetAddress>> shared = underWay.putIfAbsent(host, fresh);
    if (shared != null) {
      return shared;
    }
    try {
      executor.execute(() -> lookUp(host, fresh));
    } catch (RejectedExecutionException e) {
      underWay.remove(host);
      fresh.completeExceptionally(new UnknownHostException("too many names are being looked up"));
    }
    return fresh;
  }

  private void lookUp(String host, CompletableFuture<List<InetAddress>> answer) {
    try {
      List<InetAddress> addresses = Arrays.asList(InetAddress.getAllByName(host));
      underWay.remove(host); // first: who asks from now on gets a new answer
      answer.complete(Collections.unmodifiableList(addresses));
    } catch (UnknownHostException | RuntimeException e) {
      underWay.remove(host);
      answer.completeExceptionally(e);
    }
  }
}
