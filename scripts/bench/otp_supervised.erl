%% The same on Erlang/OTP: otp_supervised:main([Shape, Count]); prints its figures.
%% Reports are made and handed to a logger handler that counts them; nobody makes text of them.
-module(otp_supervised).
-export([main/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, start_member/1, start_named/2]).
-export([log/2]).

-define(IN_FLIGHT, 100).
-define(FEWER, 100).
-define(ATTEMPTS, 5).
-define(ENDLESS, 1000000000).

-record(small_state, {number = 0, name = idle, since = 0.0}).

main([Shape, Count]) ->
    Reports = counters:new(1, []),
    ok = logger:remove_handler(default),
    ok = logger:add_handler(counting, ?MODULE, #{config => Reports}),
    process_flag(trap_exit, true),
    Figures = figures(list_to_atom(Shape), list_to_integer(Count), Reports),
    io:format("~s~n", [lists:join(" ", [io_lib:format("~w", [One]) || One <- Figures])]),
    halt(0).

log(_Event, #{config := Reports}) -> counters:add(Reports, 1, 1).

figures('restarts-one', N, Reports) -> restarts(N, 1, Reports);
figures('restarts-many', N, Reports) -> restarts(N, ?IN_FLIGHT, Reports);
figures(answer, N, Reports) ->
    Names = [list_to_atom("m" ++ integer_to_list(Number)) || Number <- lists:seq(1, ?IN_FLIGHT)],
    [{ok, _} = supervisor:start_link(?MODULE, {group, [named(Name)]}) || Name <- Names],
    Waited = lists:sort(answers(N, Names, [])),
    true = counters:get(Reports, 1) >= 2 * N,
    [lists:nth(max(1, N div 2), Waited), lists:nth(max(1, N * 99 div 100), Waited)];
figures('starts-pool', N, _) ->
    {ok, Sup} = supervisor:start_link(?MODULE, pool),
    [N / seconds(fun() -> starts_asked(Sup, [[] || _ <- lists:seq(1, N)]) end)];
figures('starts-static', N, _) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {group, []}),
    Specs = specs(N, none),
    [N / seconds(fun() -> starts_asked(Sup, Specs) end)];
figures('scale-static', N, _) -> scale(N, fun static_times/1);
figures('scale-pool', N, _) -> scale(N, fun pool_times/1);
figures(memory, N, _) ->
    {ok, Sup} = supervisor:start_link(?MODULE, pool),
    Before = resident(),
    starts(Sup, N),
    [(resident() - Before) / N].

seconds(Fun) ->
    {Microseconds, _} = timer:tc(Fun),
    Microseconds / 1000000.

%% Restarts: each member crashes again as soon as its new incarnation has answered.

restarts(N, Supervisors, Reports) ->
    Specs = specs(?IN_FLIGHT div Supervisors, self()),
    [{ok, _} = supervisor:start_link(?MODULE, {group, Specs}) || _ <- lists:seq(1, Supervisors)],
    Members = first_answers(?IN_FLIGHT, []),
    Seconds = seconds(fun() ->
        {Now, _} = lists:split(min(N, ?IN_FLIGHT), Members),
        [gen_server:cast(Member, crash) || Member <- Now],
        crash(N, N - length(Now))
    end),
    true = counters:get(Reports, 1) >= 2 * N,
    [N / Seconds].

first_answers(0, Members) -> Members;
first_answers(Left, Members) ->
    receive
        {up, Member} -> Member ! {ask, self()}, first_answers(Left, Members);
        {answer, Member} -> first_answers(Left - 1, [Member | Members])
    end.

crash(0, _) -> ok;
crash(Left, ToBegin) ->
    receive
        {up, Member} -> Member ! {ask, self()}, crash(Left, ToBegin);
        {answer, Member} when ToBegin > 0 ->
            gen_server:cast(Member, crash),
            crash(Left - 1, ToBegin - 1);
        {answer, _} -> crash(Left - 1, 0)
    end.

%% From a crash to the first answer, in microseconds.

answers(0, _, Waited) -> Waited;
answers(Left, [Name | Names], Waited) ->
    Began = erlang:monotonic_time(),
    gen_server:cast(Name, crash),
    answered(Name),
    Took = erlang:convert_time_unit(erlang:monotonic_time() - Began, native, nanosecond) / 1000,
    answers(Left - 1, Names ++ [Name], [Took | Waited]).

answered(Name) ->
    try gen_server:call(Name, ask) of
        ask -> ok
    catch
        exit:_ -> erlang:yield(), answered(Name)
    end.

%% Starts and stops

starts(_, 0) -> ok;
starts(Sup, Left) ->
    {ok, _} = supervisor:start_child(Sup, []),
    starts(Sup, Left - 1).

starts_asked(_, []) -> ok;
starts_asked(Sup, [Wanted | More]) ->
    {ok, Member} = supervisor:start_child(Sup, Wanted),
    ask = gen_server:call(Member, ask),
    starts_asked(Sup, More).

static_times(N) ->
    Specs = specs(N, none),
    Began = erlang:monotonic_time(),
    {ok, Sup} = supervisor:start_link(?MODULE, {group, Specs}),
    Started = erlang:monotonic_time(),
    stop(Sup),
    {Started - Began, erlang:monotonic_time() - Started}.

pool_times(N) ->
    {ok, Sup} = supervisor:start_link(?MODULE, pool),
    Began = erlang:monotonic_time(),
    starts(Sup, N),
    Started = erlang:monotonic_time(),
    stop(Sup),
    {Started - Began, erlang:monotonic_time() - Started}.

stop(Sup) ->
    Ref = erlang:monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, process, Sup, shutdown} -> ok end.

scale(N, Times) ->
    Times(N div ?FEWER),
    Few = [Times(N div ?FEWER) || _ <- lists:seq(1, ?ATTEMPTS)],
    {Start, Stop} = Times(N),
    {Starts, Stops} = lists:unzip(Few),
    [Start / median(Starts), Stop / median(Stops), milliseconds(Start), milliseconds(Stop)].

median(Values) -> lists:nth((length(Values) + 1) div 2, lists:sort(Values)).

milliseconds(Native) -> erlang:convert_time_unit(Native, native, microsecond) / 1000.

resident() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(Kilobytes) * 1024.

%% gen_server and supervisor

specs(N, Client) ->
    [#{id => Number, start => {?MODULE, start_member, [Client]}} || Number <- lists:seq(1, N)].

named(Name) -> #{id => Name, start => {?MODULE, start_named, [Name, none]}}.

start_member(Client) -> gen_server:start_link(?MODULE, {member, Client}, []).

start_named(Name, Client) -> gen_server:start_link({local, Name}, ?MODULE, {member, Client}, []).

init({member, none}) -> {ok, #small_state{}};
init({member, Client}) ->
    Client ! {up, self()},
    {ok, #small_state{}};
init({group, Specs}) ->
    {ok, {#{strategy => one_for_one, intensity => ?ENDLESS, period => 1}, Specs}};
init(pool) ->
    Member = #{id => member, start => {?MODULE, start_member, [none]}},
    {ok, {#{strategy => simple_one_for_one}, [Member]}}.

handle_call(Request, _From, State) -> {reply, Request, State}.

handle_cast(crash, _State) -> error(told_to).

handle_info({ask, From}, State) ->
    From ! {answer, self()},
    {noreply, State}.
